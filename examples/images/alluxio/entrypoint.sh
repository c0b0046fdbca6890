#!/bin/sh
# Runs one program of Alluxio, as the entrypoint of Alluxio's own image does: ALLUXIO_JAVA_OPTS is for all of them,
# ALLUXIO_MASTER_JAVA_OPTS and so on for one, and both may have ${NAME} for another variable.
set -eu
. /opt/alluxio/libexec/alluxio-config.sh

usage() {
	cat >&2 <<-'USAGE'
		usage: entrypoint.sh master-only [--no-format]
		       entrypoint.sh worker-only [--no-format]
		       entrypoint.sh job-master | job-worker
		       entrypoint.sh fuse [--fuse-opts=OPTION,...] [MOUNTPOINT [PATH]]
	USAGE
	exit 1
}

# formatted formats what a program keeps, unless it is told not to.
formatted() {
	case ${2-} in
	--no-format) ;;
	'') (java_class WARN "$3" alluxio.cli.Format "$1") ;;
	*) usage ;;
	esac
}

# mount_fuse becomes the FUSE client. It takes off first what a client that was killed has left.
mount_fuse() {
	options=
	case ${1-} in
	--fuse-opts=*)
		options=${1#--fuse-opts=}
		shift
		;;
	esac
	mountpoint=${1:-${MOUNT_POINT:-/mnt/alluxio-fuse}}
	umount -l "$mountpoint" 2>/dev/null || true
	mkdir -p "$mountpoint"
	# It runs as whoever the pod's user is; an option may choose another policy.
	ALLUXIO_JAVA_OPTS="-Dalluxio.fuse.auth.policy.class=kubectlfluid.alluxio.ProcessUser ${ALLUXIO_JAVA_OPTS-}"
	java_class INFO "${ALLUXIO_FUSE_JAVA_OPTS-} -Dalluxio.fuse.mount.alluxio.path=${2:-/}" \
		alluxio.fuse.AlluxioFuse -m "$mountpoint" ${options:+-o "$options"}
}

case ${1-} in
master-only)
	formatted master "${2-}" "${ALLUXIO_MASTER_JAVA_OPTS-}"
	java_class INFO "${ALLUXIO_MASTER_JAVA_OPTS-}" alluxio.master.AlluxioMaster
	;;
worker-only)
	formatted worker "${2-}" "${ALLUXIO_WORKER_JAVA_OPTS-}"
	java_class INFO "${ALLUXIO_WORKER_JAVA_OPTS-}" alluxio.worker.AlluxioWorker
	;;
job-master) java_class INFO "${ALLUXIO_JOB_MASTER_JAVA_OPTS-}" alluxio.master.AlluxioJobMaster ;;
job-worker) java_class INFO "${ALLUXIO_JOB_WORKER_JAVA_OPTS-}" alluxio.worker.AlluxioJobWorker ;;
fuse)
	shift
	mount_fuse "$@"
	;;
*) usage ;;
esac
