internal import NIOCore
internal import WeirRecords

/// A transaction that was aborted, as far as a log holds it.
struct AbortedTransaction: Equatable {
    let producerID: Int64
    let firstOffset: Int64
    /// Where its marker stands.
    let markerOffset: Int64
}

/// What a control batch says.
enum ControlType: Int16 {
    case abort = 0
    case commit = 1

    /// The type of a transaction's marker; nil for another control record, and for a batch whose record is gone.
    ///
    /// Control record key: version int16, type int16.
    init?(_ batch: BatchView) {
        guard let key = try? batch.records(limit: 1 << 20).first?.key, key.readableBytes >= 4,
            let type = key.getInteger(at: key.readerIndex + 2, as: Int16.self)
        else { return nil }
        self.init(rawValue: type)
    }
}

/// Finds the aborted transactions in a walk over the headers of a log, in order.
struct TransactionScan {
    private var open: [Int64: Int64] = [:]
    private(set) var aborted: [AbortedTransaction] = []

    /// Whether a transaction that began below the offset has not ended yet.
    func hasOpen(below offset: Int64) -> Bool { open.values.contains { $0 < offset } }

    mutating func note(_ header: RecordBatchHeader) {
        guard header.attributes.isTransactional, !header.attributes.isControl else { return }
        if open[header.producerID] == nil { open[header.producerID] = header.baseOffset }
    }

    mutating func note(_ type: ControlType?, _ header: RecordBatchHeader) {
        guard let type, let first = open.removeValue(forKey: header.producerID), type == .abort else { return }
        aborted.append(
            AbortedTransaction(producerID: header.producerID, firstOffset: first, markerOffset: header.baseOffset))
    }
}

/// Tells, in a walk over a log, which batches an abort has voided and which markers have nothing left to end: Kafka's
/// `CleanedTransactionMetadata`.
struct CleanedTransactions {
    private let aborted: [AbortedTransaction]
    private var next = 0
    /// Aborted transactions that the walk is within, and whether any of their batches were met.
    private var openAborted: [Int64: Bool] = [:]
    private var openCommitted: Set<Int64> = []

    init(_ aborted: [AbortedTransaction]) {
        self.aborted = aborted.sorted { $0.firstOffset < $1.firstOffset }
    }

    /// Whether the batch, which is no control batch, belongs to an aborted transaction.
    mutating func isAborted(_ header: RecordBatchHeader) -> Bool {
        advance(to: header.lastOffset)
        guard header.attributes.isTransactional else { return false }
        if openAborted[header.producerID] != nil {
            openAborted[header.producerID] = true
            return true
        }
        openCommitted.insert(header.producerID)
        return false
    }

    /// Whether no batch of the transaction that the control batch ends was met, so that it may go.
    mutating func endsNothing(_ type: ControlType?, _ header: RecordBatchHeader) -> Bool {
        advance(to: header.lastOffset)
        // A control batch without its record was cleaned before.
        if header.recordCount == 0 { return true }
        switch type {
        case .abort:
            openCommitted.remove(header.producerID)
            return !(openAborted.removeValue(forKey: header.producerID) ?? false)
        case .commit: return openCommitted.remove(header.producerID) == nil
        case nil: return false
        }
    }

    private mutating func advance(to offset: Int64) {
        while next < aborted.count, aborted[next].firstOffset <= offset {
            if openAborted[aborted[next].producerID] == nil { openAborted[aborted[next].producerID] = false }
            next += 1
        }
    }
}
