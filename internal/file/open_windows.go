package file

// noWait is empty: opening a file on Windows waits for nobody.
const noWait = 0

// noFollow is empty: outside of the bounds a link that is planted between two steps is the machine's.
const noFollow = 0
