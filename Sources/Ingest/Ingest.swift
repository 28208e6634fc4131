// Filled by the room.
internal import Scene
