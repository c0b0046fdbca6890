#!/bin/sh
# Takes a FUSE mount off, as Fluid has it done before a FUSE pod ends: alluxio-fuse unmount MOUNTPOINT.
if [ $# -ne 2 ] || [ "$1" != unmount ]; then
	echo "usage: alluxio-fuse unmount MOUNTPOINT" >&2
	exit 1
fi
exec umount "$2"
