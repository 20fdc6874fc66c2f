#!/bin/sh
. /libs/log.sh
log "worker is up"
