# log TEXT: one line with a time
log() {
  echo "$(date -u +%FT%TZ) $1"
}
