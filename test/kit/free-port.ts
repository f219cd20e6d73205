import { connect, createServer } from 'node:net'

/** Below the ports that Linux gives to connections by itself (32768 to 60999): there, one of those may take the port before its server
 *  does, even a client that knocks too early, which then talks to itself. */
const [lowest, highest] = [10_240, 32_767] as const

/** A port that was free a moment ago; for programs that cannot be told to choose one themselves. */
export async function findFreePort(host = '127.0.0.1'): Promise<number> {
  for (;;) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest + 1))
    if (await canListen(host, port)) return port
  }
}

function canListen(host: string, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false)
      else reject(error)
    })
    server.listen(port, host, () => server.close(() => resolve(true)))
  })
}

export function canConnect(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, address, () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
