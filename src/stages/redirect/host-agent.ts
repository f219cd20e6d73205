// As whom a host is asked for a client: some are good to one kind of client and not to another. What else a client says of itself stays
// here: by a name of ten thousand characters, or one that a firewall knows as an attack, anybody would make a host refuse our probe, and
// close it for all.

const plainAgent = 'docker/28.5.2 go/go1.24.8 kernel/6.12.0 os/linux arch/amd64 UpstreamClient(Docker-Client/28.5.2)'

const known =
  /^(?:docker|containerd|containers|skopeo|Buildah|podman|libpod|buildkit|cri-o|go-containerregistry|crane|oras|nerdctl|kaniko|apptainer|singularity)\/v?\d[\w.+~-]{0,40}(?=[ ;(]|$)/i

/** Product and version of a known client; docker for all others. */
export function hostAgentOf(userAgent: string | undefined): string {
  return (userAgent !== undefined && known.exec(userAgent)?.[0]) || plainAgent
}
