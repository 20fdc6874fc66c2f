#!/bin/sh
. /libs/log.sh
log "api is up"
