import CWeirLinux
import Glibc
import SystemPackage
import WeirSystem

/// A `weir` process of this build.
final class Weir {
    struct CannotStart: Error { let code: Int32 }

    private let process: pid_t
    private let output: Int32
    private var text = ""
    private var status: Int32?

    convenience init(_ arguments: String...) throws { try self.init(arguments: arguments) }

    init(arguments: [String]) throws {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw CannotStart(code: errno) }
        // A process that another test starts must not hold this one's output open.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        output = ends[0]
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        defer { posix_spawn_file_actions_destroy(&actions) }
        var words = ([Self.path.string] + arguments).map { strdup($0) }
        words.append(nil)
        defer { words.forEach { free($0) } }
        var process: pid_t = 0
        let code = posix_spawn(&process, Self.path.string, &actions, nil, words, weir_environment())
        close(ends[1])
        self.process = process
        if code != 0 { throw CannotStart(code: code) }
    }

    deinit {
        if status == nil {
            kill(process, SIGKILL)
            _ = exitCode()
        }
        close(output)
    }

    /// SwiftPM puts the program beside the test runner.
    private static let path: FilePath = {
        var bytes = [CChar](repeating: 0, count: 4096)
        readlink("/proc/self/exe", &bytes, bytes.count - 1)
        return FilePath(platformString: bytes).removingLastComponent().appending("weir")
    }()

    /// Reads standard error to the line that says where the broker listens; nil when it ends before.
    func readyPort() -> Int? {
        while true {
            if let line = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
                .first(where: { $0.hasPrefix("weir broker ") && $0.contains(" ready on ") })
            {
                return line.split(separator: ":").last.flatMap { Int($0) }
            }
            if !readSome() { return nil }
        }
    }

    /// Everything on standard error, to its end.
    func allOutput() -> String {
        while readSome() {}
        return text
    }

    private func readSome() -> Bool {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = read(output, &bytes, bytes.count)
        if count <= 0 { return false }
        text += String(decoding: bytes[..<count], as: UTF8.self)
        return true
    }

    func signal(_ number: Int32) { kill(process, number) }

    /// Waits for the end: the exit code, or minus the signal that ended it.
    func exitCode() -> Int32 {
        var status = self.status ?? 0
        if self.status == nil {
            while waitpid(process, &status, 0) < 0, errno == EINTR {}
            self.status = status
        }
        return status & 0x7F == 0 ? (status >> 8) & 0xFF : -(status & 0x7F)
    }
}

/// A directory that goes away with the test.
final class TemporaryDirectory {
    let path: String

    init() {
        var template = Array("/tmp/weir-server-XXXXXX".utf8CString)
        path = mkdtemp(&template).map { String(cString: $0) } ?? "/tmp/weir-server-none"
    }

    deinit { try? LinuxFileSystem().removeTree(FilePath(path)) }
}
