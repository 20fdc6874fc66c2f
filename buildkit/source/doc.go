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
package source
