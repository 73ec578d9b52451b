import ArgumentParser
import WeirModel

struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Print the version of this program.")

    @Flag(help: "Print a JSON object.")
    var json = false

    func run() {
        print(json ? #"{"version":"\#(WeirVersion.current)"}"# : "weir \(WeirVersion.current)")
    }
}
