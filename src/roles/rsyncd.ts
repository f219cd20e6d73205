import { type RsyncdOptions, rsyncdConfig, rsyncdDefaults } from '#stages/replicate/rsyncd-config.ts'

export function rsyncdModule(
  options: Pick<RsyncdOptions, 'module' | 'folder' | 'maxConnections' | 'isRoot' | 'allow'>,
): string {
  return rsyncdConfig({ ...rsyncdDefaults, ...options })
}
