#!/bin/sh
# $1 the unit of the filter, $2 its table in nftables. Either may be gone already.
systemctl disable --quiet --now -- "$1" 2>/dev/null || ! systemctl is-active --quiet -- "$1" || exit 1
nft delete table inet "$2" 2>/dev/null || ! nft list table inet "$2" >/dev/null 2>&1
