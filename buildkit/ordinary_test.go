package buildkit_test

func runOrdinaryUser([]string) (bool, int) { return false, 0 }
