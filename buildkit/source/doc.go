// Package source records, hashes and sends the trees of files that a build reads from this machine.
//
// Scan records a Tree once, and the very record that is hashed is the record that is sent. A Server replays its stats
// and compares every byte with the recorded digest on its way. A file that changed, shrank, grew, vanished or turned
// into something else in between ends the transfer with a ChangedError. It never becomes an empty or a short file in an
// image.
//
// A Cache spares reading files again, a Watch tells whether a Tree is still current, and Transfers remember what
// daemons received. Tree.Changes tells a person what became different.
//
// # What is hashed
//
// The digest of a tree is SHA-256 over a header and one record for each entry. The entries are in the order of their
// paths compared segment by segment, in which BuildKit receives them. Every field has its length in front (unsigned
// varint), so that no two trees share an encoding:
//
//	header   "pulumi-buildkit tree v1"
//	record   type     one byte: d folder (directory), f file, l symbolic link
//	         path     relative to the root, slashes, as it is on disk
//	         mode     four bytes, big endian: permission, setuid, setgid, sticky; without group and other write
//	         link     the text of a symbolic link, else empty
//	         content  SHA-256 of the bytes of a file, else empty
//
// Group and other write are left out, because a checkout under umask 002 differs in these bits from one under 022.
// Owner, modification time and the path of the root are no part of the digest: it is the same on every machine and in
// every checkout. Sockets, FIFOs and devices are neither hashed nor sent.
//
// Extended attributes are neither hashed nor sent. BuildKit's receiver sets them and then the owner, at which the
// kernel drops security.capability. So no image ever has it from a build context.
//
// DigestOf returns the digest of the part of a tree that can change the image: see Use. COPY --exclude leaves out files
// that the daemon asks for all the same. They are recorded, sent and verified as all others are.
//
// # What a daemon takes for the same file
//
// A daemon keeps what it received under a key. It asks for the content of a file only if path, type, size, modification
// time or mode differ (fsutil's sameFile). So other content needs another time: the nanoseconds are the digest of the
// content, modulo a billion. An unchanged build then sends no content, also from a new checkout with an epoch, and a
// changed file is sent alone.
//
// A minute is enough to forge those 30 bits. An attacker may write files that one build sends, such as the preview of a
// pull request. If one of them has the size and nanoseconds of a file of the next build, the next build gets the
// attacker's. Seconds protect a file only if the attacker cannot set them: with an epoch they are fixed, and a checkout
// may restore them. A Dockerfile is sent each time (dockerui asks with DiffNone).
//
// There is no room for more bits. Owner, mode, link text and seconds belong to the image, extended attributes are not
// compared, and a device number on a regular file is never the same on disk.
//
// A secret in the nanoseconds would not do either. A step can read them (RUN --mount=type=bind), and each build tries
// as many collisions as it has files. What a step makes of a time would also differ between machines.
//
// So this machine remembers what it sent: Transfers. It holds for each key the stat and the whole digest of every file.
// It takes a new key, with a random part, when a file has the stat of one that was sent but another digest. No pair of
// files then collides, and an attempt costs one transfer of everything, once.
//
// The memory is as good as its folder. Copies of one cache folder on several machines of one name, that use one daemon,
// do not know of each other.
package source
