internal import Glibc
public import SystemPackage
public import WeirSystem

/// Runs the body with a new directory on the real disk and removes it afterwards, whatever happens.
public func withTemporaryDirectory<Result>(_ body: (FilePath) throws -> Result) throws -> Result {
    let directory = try makeTemporaryDirectory()
    defer { try? LinuxFileSystem().removeTree(directory) }
    return try body(directory)
}

/// A new directory on the real disk, under `TMPDIR`; the caller removes it.
public func makeTemporaryDirectory() throws(FileError) -> FilePath {
    let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    let name = "weir-test-\(getpid())-\(String(SystemRandom().next(), radix: 36))"
    let path = FilePath(parent).appending(name)
    try LinuxFileSystem().makeDirectory(path, intermediates: true)
    return path
}
