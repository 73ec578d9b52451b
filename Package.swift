// swift-tools-version: 6.2
import PackageDescription

// One target is one room: its imports are what docs/ARCHITECTURE.md allows it, and SwiftPM enforces them.

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioConcurrency: Target.Dependency = .product(name: "NIOConcurrencyHelpers", package: "swift-nio")
let nioEmbedded: Target.Dependency = .product(name: "NIOEmbedded", package: "swift-nio")
let systemPackage: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let unixSignals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")
let deque: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")
let heap: Target.Dependency = .product(name: "HeapModule", package: "swift-collections")
let ordered: Target.Dependency = .product(name: "OrderedCollections", package: "swift-collections")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

func room(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

let package = Package(
    name: "weir",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "weir", targets: ["weir"]),
        .library(name: "WeirClient", targets: ["WeirClient"]),
        .library(name: "WeirClientJSON", targets: ["WeirClientJSON"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-system", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.2.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.6.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.8.0"),
    ],
    targets: [
        .target(name: "CWeirCRC"),
        .target(name: "CWeirLinux"),
        .systemLibrary(name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(name: "CSnappy", providers: [.apt(["libsnappy-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),

        room("WeirModel", []),
        room("WeirSystem", ["CWeirLinux", systemPackage]),
        room("WeirRecords", ["WeirModel", "CWeirCRC", "CLZ4", "CZstd", "CSnappy", "CZlib", nioCore, nioConcurrency]),
        room("WeirProtocol", ["WeirModel", nioCore]),
        room("WeirStorage", ["WeirModel", "WeirRecords", "WeirSystem", nioCore, deque, systemPackage]),
        room("WeirConnection", ["WeirModel", "WeirProtocol", "WeirSystem", nioCore, deque]),
        room("WeirRegistry", ["WeirModel", "WeirSystem"]),
        room("WeirRegistrySQLite", ["WeirRegistry", "WeirModel", "WeirSystem", "CSQLite", systemPackage]),
        room("WeirCoordination", ["WeirModel", ordered]),
        room(
            "WeirBroker",
            [
                "WeirModel", "WeirSystem", "WeirRecords", "WeirProtocol", "WeirStorage", "WeirRegistry",
                "WeirCoordination", nioCore, logging, deque, heap, systemPackage,
            ]),
        room(
            "WeirServer",
            [
                "WeirBroker", "WeirModel", "WeirSystem", "WeirRecords", "WeirProtocol", "WeirStorage", "WeirRegistry",
                "WeirRegistrySQLite", "CWeirLinux", nioCore, nioPosix, logging, deque, systemPackage,
            ]),
        room(
            "WeirClient",
            [
                "WeirModel", "WeirSystem", "WeirProtocol", "WeirRecords", "WeirConnection", nioCore, nioPosix, logging,
                lifecycle, deque,
            ]),
        room("WeirClientJSON", ["WeirClient", nioCore]),
        .executableTarget(
            name: "weir-examples",
            dependencies: ["WeirClient", "WeirClientJSON", lifecycle, unixSignals, logging], path: "Examples",
            swiftSettings: strict),
        room(
            "WeirTools",
            ["WeirClient", "WeirModel", "WeirSystem", "WeirProtocol", "WeirRecords", "WeirStorage", nioCore, logging]),
        .executableTarget(
            name: "weir",
            dependencies: [
                "WeirServer", "WeirTools", "WeirClient", "WeirModel", "WeirSystem", nioCore, arguments, logging,
            ],
            swiftSettings: strict),
        room(
            "WeirTesting",
            [
                "WeirModel", "WeirSystem", "WeirRecords", "WeirProtocol", "WeirStorage", "WeirRegistry", nioCore,
                systemPackage,
            ]),

        tests("WeirModelTests", ["WeirModel"]),
        tests("WeirSystemTests", ["WeirSystem", "WeirTesting", systemPackage]),
        tests("WeirRecordsTests", ["WeirRecords", "WeirModel", "CWeirCRC", nioCore]),
        tests("WeirProtocolTests", ["WeirProtocol", "WeirModel", "WeirTesting", nioCore]),
        tests(
            "WeirStorageTests",
            ["WeirStorage", "WeirRecords", "WeirModel", "WeirSystem", "WeirTesting", nioCore, systemPackage]),
        tests(
            "WeirConnectionTests",
            ["WeirConnection", "WeirProtocol", "WeirModel", "WeirSystem", "WeirTesting", nioCore]),
        tests(
            "WeirRegistryTests",
            ["WeirRegistry", "WeirRegistrySQLite", "WeirModel", "WeirSystem", "WeirTesting", systemPackage]),
        tests("WeirCoordinationTests", ["WeirCoordination", "WeirModel"]),
        tests(
            "WeirBrokerTests",
            [
                "WeirBroker", "WeirProtocol", "WeirRecords", "WeirStorage", "WeirRegistry", "WeirRegistrySQLite",
                "WeirCoordination", "WeirModel", "WeirSystem", "WeirTesting", nioCore, systemPackage, logging,
            ]),
        tests(
            "WeirServerTests",
            [
                "WeirServer", "weir", "WeirBroker", "WeirProtocol", "WeirModel", "WeirStorage", "WeirSystem",
                "CWeirLinux",
                nioCore, nioPosix, logging, systemPackage,
            ]),
        tests(
            "WeirClientTests",
            [
                "weir", "weir-examples", "WeirClient", "WeirClientJSON", "WeirRecords", "WeirModel", "WeirSystem",
                nioCore,
            ]),
        tests("WeirToolsTests", ["WeirTools", "WeirClient", "WeirModel", "WeirTesting", nioCore]),
    ]
)
