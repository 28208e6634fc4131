extension RangeReplaceableCollection where Element == UInt8 {
    /// These bytes of JSON and a line feed, for whatever decodes JSON that comes from outside.
    ///
    /// Swift 6.3's `JSONDecoder` traps, instead of throwing, when the last byte of its input opens the 513th level.
    @inlinable public var endedJSON: Self {
        var bytes = self
        bytes.append(0x0a)
        return bytes
    }
}
