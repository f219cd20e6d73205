// One file at every path, with ranges, in a process of its own: `bun serve-file.ts <path>`; it prints its port.
const [path] = process.argv.slice(2)
const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  idleTimeout: 255,
  fetch: () => new Response(Bun.file(path!)),
})
console.log(server.port)
