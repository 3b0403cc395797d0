"""The network: the server, the spine of a call, the upstreams, the books."""
