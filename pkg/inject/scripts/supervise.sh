fluid_path=$1 fluid_all=$2 fluid_own=$3 fluid_anew=$4; shift 4
fluid_mounted() (
  while read -r id parent device root at rest; do [ "$at" = "$fluid_path" ] && exit 0; done </proc/self/mountinfo
  exit 1
)
fluid_window() { read -r fluid_now fluid_idle </proc/uptime; fluid_now=${fluid_now%.*}; fluid_now=${fluid_now%??}; }
fluid_leave() {
  fluid_code=$1
  fluid_window
  case " $fluid_anew " in *" $fluid_code "*)
    if fluid_mounted || [ "$fluid_now" != "$fluid_began" ]; then fluid_told=1
    else echo "the FUSE client ended with $fluid_code and had not mounted" >&2; fluid_code=1; fi ;;
  esac
  fluid_unmount
  [ -z "$fluid_told" ] || [ -z "$fluid_own" ] || (cd "$fluid_all" && rmdir -p "$fluid_own")
  exit "$fluid_code"
}
fluid_client='' fluid_code='' fluid_ended='' fluid_told=''
fluid_window; fluid_began=$fluid_now
trap 'fluid_ended=1 fluid_told=1; [ -z "$fluid_client" ] || kill -TERM "$fluid_client" 2>/dev/null' TERM INT
fluid_unmount
[ -z "$fluid_ended" ] || fluid_leave 143
"$@" & fluid_client=$!
[ -z "$fluid_ended" ] || { kill -TERM "$fluid_client"; sleep 1; kill -TERM "$fluid_client"; } 2>/dev/null
while :; do
  fluid_ended=
  wait "$fluid_client"; fluid_again=$?
  [ "$fluid_again" = 127 ] && [ -n "$fluid_code" ] || fluid_code=$fluid_again
  [ -n "$fluid_ended" ] || break
done
fluid_leave "$fluid_code"
