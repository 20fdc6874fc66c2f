// Package source is the local half of a build: the trees of files that a build context sends to BuildKit.
//
// A Tree is recorded once. The very record that is hashed is the record that is sent: Serve replays its stats, and every
// byte that leaves is compared with the recorded digest on its way. A file that changed, shrank, grew, vanished or turned
// into something else in between ends the transfer with its path; it never becomes an empty or a short file in an image.
//
// # What is hashed
//
// The digest of a tree is SHA-256 over a header and one record for each entry, in the order of their paths compared
// segment by segment, the order in which BuildKit receives them. Every field has its length in front (unsigned varint), so that no two trees share an encoding:
//
//	header   "pulumi-buildkit tree v1"
//	record   type     one byte: d directory, f file, l symbolic link
//	         path     relative to the root, slashes, as it is on disk
//	         mode     four bytes, big endian: the permission, setuid, setgid and sticky bits, without group and other write
//	         link     the text of a symbolic link, else empty
//	         content  SHA-256 of the bytes of a file, else empty
//
// Group and other write are left out because they are the bits in which a checkout under umask 002 differs from one under
// 022. Owner, modification time and the place of the tree on disk are no part of it: the digest is the same on every
// machine and in every checkout. Extended attributes are neither hashed nor sent: BuildKit's receiver sets them and then
// the owner, at which the kernel drops security.capability, so that no image ever has it from a build context. Sockets,
// FIFOs and devices are neither hashed nor sent.
//
// DigestOf is the digest of the part of a tree that has a say in the image, see Use: COPY --exclude leaves out files that the
// daemon asks for all the same. They are recorded, sent and verified as all others are.
//
// # What a daemon takes for the same file
//
// A daemon keeps what it received under a key, and asks for the content of a file only if path, type, size, modification time
// or mode differ (fsutil's sameFile). So other content needs another time. The nanoseconds are the digest of the content,
// modulo a billion: an unchanged build then sends no content, also from a new checkout with an epoch, and a changed file is
// sent alone.
//
// Those 30 bits are forged in a minute. Somebody who writes files that one build sends (a preview of a pull request will do),
// with the size and nanoseconds of a file of the next build, would have the next build take his. Seconds protect a file only
// if he cannot set them: with an epoch they are fixed, and a checkout may restore them. A Dockerfile is sent each time
// (dockerui asks with DiffNone).
//
// There is no room for more bits: owner, mode, link text and seconds belong to the image, extended attributes are not
// compared, and a device number on a regular file is never the same on disk. A secret in the nanoseconds would not do either.
// A step can read them (RUN --mount=type=bind), each build tries as many collisions as it has files, and what a step makes of
// a time would differ between machines.
//
// So this machine remembers what it sent: Transfers. It holds for each key the stat and the whole digest of every file, and
// takes a new key, with a random part, when a file has the stat of one that was sent but another digest. No pair of files
// then collides, whoever made them; whoever makes one causes a transfer of everything, once. The memory is as good as its
// folder: copies of one cache folder on several machines of one name, that use one daemon, do not know of each other.
package source
