package file

// noWait is empty: opening a file on Windows waits for nobody.
const noWait = 0
