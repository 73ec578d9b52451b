#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// What the system calls an error number, in the words of a message.
func words(forErrno code: CInt) -> String? {
    switch code {
    case ECONNREFUSED: "connection refused"
    case ECONNRESET, EPIPE: "the broker closed the connection"
    case EHOSTUNREACH: "no route to the host"
    case ENETUNREACH: "the network cannot be reached"
    case ETIMEDOUT: "the network timed out"
    default: strerror(code).map { String(cString: $0).lowercased() }
    }
}
