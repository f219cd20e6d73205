// The counts of a junit report as `bun test` writes it: one <testsuite> per file below <testsuites>.

export type TestCounts = { readonly passed: number; readonly failed: number; readonly skipped: number }

export function parseJunit(xml: string): TestCounts | undefined {
  const head = /<testsuites\b[^>]*>/.exec(xml)?.[0]
  if (head === undefined || !xml.includes('</testsuites>')) return undefined
  const count = (name: string) => Number(new RegExp(` ${name}="(\\d+)"`).exec(head)?.[1] ?? Number.NaN)
  const failed = count('failures')
  const skipped = count('skipped')
  const passed = count('tests') - failed - skipped
  return Number.isNaN(passed) ? undefined : { passed, failed, skipped }
}

export function addCounts(a: TestCounts, b: TestCounts): TestCounts {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped }
}
