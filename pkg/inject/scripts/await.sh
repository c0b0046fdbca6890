fluid_left=$1; shift
while [ $# -gt 0 ]; do
  if fluid_mounted "$1" "$2" "$3"; then shift 3; continue; fi
  [ "$fluid_left" -gt 0 ] || { echo "no file system $2 with the path /$3 is mounted at $1" >&2; exit 1; }
  fluid_left=$((fluid_left - 1)); sleep 1
done
