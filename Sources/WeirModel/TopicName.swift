/// Kafka's rule for topic names.
public enum TopicName {
    /// The longest legal name, in characters: the directory `name-partition` must still fit a file system's 255 bytes.
    public static let lengthMax = 249

    /// Why a name is refused, as a sentence for the error message; nil when the name is legal.
    ///
    /// Legal are 1 to 249 of `a-z A-Z 0-9 . _ -`, but neither `.` nor `..`
    /// (Kafka's `org.apache.kafka.common.internals.Topic`).
    public static func problem(with name: String) -> String? {
        if name.isEmpty { return "the topic name is empty" }
        if name == "." || name == ".." { return "the topic name must not be '.' or '..'" }
        if name.utf8.count > lengthMax {
            return "the topic name is \(name.utf8.count) bytes long, longer than \(lengthMax)"
        }
        for byte in name.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                continue
            default:
                return "the topic name has a character other than ASCII letters, digits, '.', '_' and '-'"
            }
        }
        return nil
    }

    /// The topics the broker itself writes; clients may read them, and may not create or delete them.
    public static func isInternal(_ name: String) -> Bool {
        name == consumerOffsets || name == transactionState
    }

    /// Where group coordinators keep committed offsets and group metadata.
    public static let consumerOffsets = "__consumer_offsets"
    /// Where transaction coordinators keep theirs.
    public static let transactionState = "__transaction_state"
}
