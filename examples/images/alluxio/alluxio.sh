#!/bin/sh
# Alluxio's command line: alluxio fs [-DNAME=VALUE ...] COMMAND ..., and the same for the other shells below.
set -eu
. /opt/alluxio/libexec/alluxio-config.sh

shell=${1-}
[ $# -eq 0 ] || shift
case $shell in
fs) class=alluxio.cli.fs.FileSystemShell ;;
fsadmin) class=alluxio.cli.fsadmin.FileSystemAdminShell ;;
job) class=alluxio.cli.job.JobShell ;;
getConf) class=alluxio.cli.GetConf ;;
formatMaster) class="alluxio.cli.Format master" ;;
formatWorker) class="alluxio.cli.Format worker" ;;
*)
	echo "usage: alluxio fs|fsadmin|job|getConf|formatMaster|formatWorker [-DNAME=VALUE ...] [ARGUMENT ...]" >&2
	exit 1
	;;
esac
# It runs for a second or two: it is compiled little, and has one thread to collect garbage.
options="-Xmx128m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC ${ALLUXIO_USER_JAVA_OPTS-}"
while :; do
	case ${1-} in
	-D* | -X*)
		options="$options $1"
		shift
		;;
	*) break ;;
	esac
done
# It prints errors itself; its log repeats them with stack traces.
# shellcheck disable=SC2086
java_class OFF "$options" $class "$@"
