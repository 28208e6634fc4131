internal import CKernels

/// The threads of one workspace: parked while there is no work, ended with it.
final class Team: @unchecked Sendable {
    private let team: OpaquePointer

    /// - Parameter threads: the caller's among them; nil for one.
    init?(threads: Int) {
        guard threads > 1, let team = hcq_team_new(Int32(threads - 1)) else { return nil }
        self.team = team
    }

    deinit { hcq_team_free(team) }

    /// Calls `body` for every tile, in any order and on any of the team's threads, and returns when all are done.
    func run(_ tiles: Int, _ body: @Sendable (_ tile: Int, _ worker: Int) -> Void) { runTeam(team, tiles, body) }
}

// In Swift's calling convention, since a closure that does not escape gets through C's only by way of an allocation.
@_silgen_name("hcq_team_run")
private func runTeam(_ team: OpaquePointer, _ tiles: Int, _ body: @Sendable (_ tile: Int, _ worker: Int) -> Void)
