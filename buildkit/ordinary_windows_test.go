package buildkit_test

// runOrdinaryUser does nothing, because these tests need the users and limits of Unix.
func runOrdinaryUser([]string) (handled bool, code int) { return false, 0 }
