import { expect, test } from 'bun:test'
import { adviceOn } from './explain.ts'

test.each([
  ['127.0.0.1:5001/my/app:1', '; without the name of the registry it is "my/app:1"'],
  ['registry.example.org/fedora@sha256:7162', '; without the name of the registry it is "fedora@sha256:7162"'],
  ['localhost/fedora', '; without the name of the registry it is "fedora"'],
  ['my/app@sha256:7162', '; a digest is given whole'],
  ['my/app:1.2', ''],
  ['app:1', ''],
])('of %s that is not served is said %j', (reference, advice) => {
  expect(adviceOn(reference)).toBe(advice)
})
