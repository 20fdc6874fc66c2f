// Package registry owns the names of images: references, credentials, verification, tags and deletion.
//
// The builder uploads content by digest. What follows happens here, in this order:
//
//	ParseTag          turns what the user wrote into a canonical name    tag.go
//	Keychain          finds who may act on the host of that name         keychain.go, helper.go, cloud.go
//	Client.Prepare    opens the repository while the builder pushes      prepare.go
//	Client.Verify     reads back every byte that was pushed              verify.go
//	Client.SetTags    moves the tags, last of all, and reads them back   set_tags.go
//	Client.Resolve    tells which digest a tag holds now                 resolve.go
//	Client.DeleteTag  deletes a tag that still is ours                   delete.go
//	Client.Combine    makes an index of images in any registries         combine.go, combine_content.go
//	Client.PushIndex  stores it, and copies what it refers to            push_index.go, copy_blob.go, blob_transfer.go
//
// Below them, session.go sends the requests for one repository, and guard.go holds the rules that every request obeys.
// peer.go and peer_errors.go turn what a registry answers into errors. Options.Log and Keychain.Log tell which source
// gave a credential, what was tried again and where requests went; request_log.go holds the log of redirects and
// tokens.
//
// An error tells the cause, and no remedy: package provider knows that. Callers ask for a sentinel of package fault
// with errors.Is, and find the facts in a *fault.Error.
//
// ErrNotFound is returned only when a registry says so. A refusal, a timeout or a proxy's page says nothing about an
// image, and comes back as another error. Package ecr knows all that belongs to Amazon ECR.
package registry
