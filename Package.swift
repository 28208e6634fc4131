// swift-tools-version: 6.2
import PackageDescription

/// Every room is built alike: imports are internal unless they are said to be public, a member is seen only through its
/// own module's import, and a warning is an error.
let room: [SwiftSetting] = [
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

/// Parsers and damaged inputs: a test, and, while `make fuzz` builds, the program that libFuzzer brings a `main` for.
let fuzzedRooms: [Target.Dependency] = [
    "Engine", "Events", "Evaluation", "Ingest", "Pipeline", "Scene", "TestTools", "Tracking",
]
let fuzzing: Target =
    Context.environment["HCQD_LIBFUZZER"] == nil
    ? .testTarget(
        name: "FuzzTests", dependencies: fuzzedRooms, exclude: ["LibFuzzer.swift"], swiftSettings: room)
    : .executableTarget(
        name: "hcqd-fuzz", dependencies: fuzzedRooms, path: "Tests/FuzzTests", exclude: ["FuzzTests.swift"],
        swiftSettings: room)

let package = Package(
    name: "hcqd",
    products: [.executable(name: "hcqd", targets: ["hcqd"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        .package(url: "https://github.com/swhitty/FlyingFox", exact: "0.27.1"),
    ],
    targets: [
        .executableTarget(
            name: "hcqd",
            dependencies: [
                "Pipeline", "Engine", "Ingest", "Tracking", "Events", "Evaluation", "Rendering", "Scene",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: room),
        .target(
            name: "Pipeline",
            dependencies: [
                "Scene", "Ingest", "Engine", "Tracking", "Events", "Rendering", "Evaluation", "CMosquitto", "CMalloc",
                "CSpawn",
                .product(name: "Yams", package: "Yams"),
                .product(name: "FlyingFox", package: "FlyingFox"),
                .product(name: "FlyingSocks", package: "FlyingFox"),
                .product(name: "Logging", package: "swift-log"),
            ],
            resources: [.embedInCode("Web")],
            swiftSettings: room),
        .target(name: "Scene", swiftSettings: room),
        .target(name: "Ingest", dependencies: ["Scene", "CFFmpeg"], swiftSettings: room),
        .target(name: "Engine", dependencies: ["Scene", "COpenBLAS", "CKernels"], swiftSettings: room),
        .target(name: "Tracking", dependencies: ["Scene"], swiftSettings: room),
        .target(name: "Events", dependencies: ["Scene"], swiftSettings: room),
        .target(name: "Rendering", dependencies: ["Scene", "CFFmpeg"], swiftSettings: room),
        .target(name: "Evaluation", dependencies: ["Scene"], swiftSettings: room),
        .target(
            name: "CKernels",
            cSettings: [.unsafeFlags(["-O3", "-ffast-math", "-Wall", "-Werror"])]),
        .systemLibrary(
            name: "CFFmpeg", pkgConfig: "libavformat libavcodec libswscale libavutil",
            providers: [.apt(["libavformat-dev", "libavcodec-dev", "libswscale-dev", "libavutil-dev"])]),
        .systemLibrary(name: "CMosquitto", pkgConfig: "libmosquitto", providers: [.apt(["libmosquitto-dev"])]),
        .systemLibrary(name: "CMalloc"),
        .target(name: "CSpawn", cSettings: [.unsafeFlags(["-Wall", "-Werror"])]),
        .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .testTarget(name: "SceneTests", dependencies: ["Scene"], swiftSettings: room),
        .target(name: "TestTools", dependencies: ["CSpawn"], path: "Tests/TestTools", swiftSettings: room),
        .testTarget(name: "IngestTests", dependencies: ["Ingest", "Scene", "TestTools"], swiftSettings: room),
        .target(name: "CAllocations", path: "Tests/CAllocations"),
        .testTarget(
            name: "EngineTests", dependencies: ["Engine", "Scene", "CKernels", "CAllocations"], swiftSettings: room),
        .testTarget(name: "TrackingTests", dependencies: ["Tracking", "Scene", "TestTools"], swiftSettings: room),
        .testTarget(name: "EventsTests", dependencies: ["Events", "Scene", "TestTools"], swiftSettings: room),
        .testTarget(
            name: "RenderingTests", dependencies: ["Rendering", "Ingest", "Scene", "TestTools"],
            swiftSettings: room),
        .testTarget(
            name: "EvaluationTests", dependencies: ["Evaluation", "Tracking", "Scene", "TestTools"],
            exclude: ["Reference"],
            swiftSettings: room),
        .testTarget(
            name: "PipelineTests",
            dependencies: [
                "Pipeline", "Scene", "Events", "Ingest", "TestTools",
                .product(name: "Yams", package: "Yams"),
                .product(name: "FlyingFox", package: "FlyingFox"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: room),
        fuzzing,
        .testTarget(name: "EndToEndTests", dependencies: ["hcqd", "Scene", "TestTools"], swiftSettings: room),
    ],
    swiftLanguageModes: [.v6]
)
