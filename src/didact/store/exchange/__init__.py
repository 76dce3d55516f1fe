"""Records that go elsewhere or come from there: archives and other stores.

Out: which files go (:mod:`.portable`), the archive and its manifest (:mod:`.packing`). In: an
archive (:mod:`.unpacking`) or a store (:mod:`.merging`) offers Records, :mod:`.intake` takes them,
and says of those that are there already what differs (:mod:`.difference`).
"""
