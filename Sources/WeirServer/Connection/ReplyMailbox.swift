import NIOCore
import WeirBroker
import WeirSystem

/// Brings answers from other threads to an event loop.
///
/// A wake-up of a loop costs more than a request does, so answers gather here and the loop is woken once for all that come
/// before it looks.
final class ReplyMailbox: Sendable {
    struct Letter: Sendable {
        let connection: Connection
        let slot: UInt64
        let reply: Reply
    }

    private let letters = Locked<[Letter]>([])

    /// True when the loop has to be woken: the letter is the first since the last `takeAll`.
    func post(_ letter: Letter) -> Bool {
        letters.withLock {
            $0.append(letter)
            return $0.count == 1
        }
    }

    func takeAll() -> [Letter] {
        letters.withLock { waiting in
            let taken = waiting
            waiting = []
            return taken
        }
    }
}
