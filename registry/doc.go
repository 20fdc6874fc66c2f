// Package registry owns the names of images: references, credentials, verification, tags and deletion.
//
// Content reaches a registry by digest, uploaded by whoever built it. What follows is this package's, in this order:
//
//	ParseTag        what the user wrote becomes a canonical name       tag.go
//	Keychain        who may act on the host of that name               keychain.go, helper.go
//	Client.Verify   is every byte that was pushed really served        verify.go
//	Client.SetTags  the tags move, last of all, and are read back      set_tags.go
//	Client.Resolve  what does a tag hold now                           resolve.go
//	Client.DeleteTag  a tag goes, if it still is ours                  delete.go
//
// Below them, session.go is one repository on one host, guard.go the rules that every request obeys, and errors.go,
// error_class.go and peer.go turn what a registry answers into the errors that callers may ask for with errors.Is.
//
// An error tells the cause. What helps depends on how this package is used: callers find its kind and its facts in an
// *Error (fault.go).
//
// Only a definitive answer is an answer: ErrNotFound is said when a registry says so. A refusal, a timeout or a proxy's page says
// nothing about an image, and comes back as another error.
package registry
