fluid_masters=$1 fluid_namespace=$2; shift 2
fluid_options=$(printf %s "$ALLUXIO_JAVA_OPTS" | sed "s/\([=,]${fluid_masters}[0-9][0-9]*\):/\1.$fluid_namespace:/g") && export ALLUXIO_JAVA_OPTS="$fluid_options"
