# What all programs of Alluxio in this image have in common; entrypoint.sh and bin/alluxio read it.

home=/opt/alluxio
# Options aren't patterns of file names.
set -f

# expand prints a text with each ${NAME} in it replaced by the value of that variable, once, and nothing else interpreted.
expand() {
	rest=$1
	text=
	while :; do
		case $rest in
		*'${'*'}'*) ;;
		*) break ;;
		esac
		text=$text${rest%%'${'*}
		rest=${rest#*'${'}
		name=${rest%%'}'*}
		rest=${rest#*'}'}
		case $name in
		'' | [0-9]* | *[!A-Za-z0-9_]*) text="$text\${$name}" ;;
		*) eval "text=\$text\${$name-}" ;;
		esac
	done
	printf '%s\n' "$text$rest"
}

# java_class LEVEL OPTIONS CLASS ARGUMENT... becomes a class's JVM, which logs to its stderr from the level LEVEL on. OPTIONS is
# one text; of options that contradict each other the last wins, so that OPTIONS may change all others. The jar in web comes
# last in the class path: see WebFactory.
java_class() {
	level=$1
	options=$2
	shift 2
	# Where a program that ends in a fatal error leaves its state.
	mkdir -p /tmp/alluxio/logs 2>/dev/null || true
	# shellcheck disable=SC2046,SC2086
	exec java \
		--add-opens=java.base/java.lang=ALL-UNNAMED --add-opens=java.base/java.util=ALL-UNNAMED \
		--add-opens=java.base/java.nio=ALL-UNNAMED --add-opens=java.base/sun.nio.ch=ALL-UNNAMED \
		-cp "$home/conf:$home/java/*:$home/web/*" \
		-Dalluxio.home=$home -Dalluxio.conf.dir=$home/conf -Dalluxio.logs.dir=/tmp/alluxio/logs -Dalluxio.work.dir=/tmp/alluxio \
		-Dlog4j.configuration=file:$home/conf/log4j.properties -Dkubectl-fluid.level=$level \
		-Dalluxio.master.update.check.enabled=false \
		$(expand "${ALLUXIO_JAVA_OPTS-}") $(expand "$options") "$@"
}
