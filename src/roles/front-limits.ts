// What the operator allows the front door to send itself, as its parts take it.

import type { Config } from '#config/config.ts'
import { type FrontOptions, frontDefaults } from '#stages/redirect/front-door.ts'

export function frontLimits({ settings }: Config): Pick<FrontOptions, 'streams' | 'origin'> {
  return {
    streams: {
      ...frontDefaults.streams,
      transfers: settings.streamTransfers,
      bytesPerSecond: settings.streamBytesPerSecond,
      holdBackBytes: settings.streamHoldBack,
      wholeBytes: settings.streamWhole,
      wholeMemoryBytes: settings.streamWholeMemory,
      wholeMs: settings.streamWholeWait,
      firstByteMs: settings.streamFirstByte,
      stallMs: settings.streamStall,
      isForFragile: settings.streamFragile,
    },
    origin: {
      ...frontDefaults.origin,
      transfers: settings.frontdoorTransfers,
      transfersPerPrefix: settings.frontdoorTransfersPerNetwork,
      bytesPerSecond: settings.frontdoorBytesPerSecond,
      waitMs: settings.frontdoorWait,
      maxWaiting: settings.frontdoorWaiting,
      maxWaitingPerPrefix: settings.frontdoorWaitingPerNetwork,
    },
  }
}
