#!/bin/sh
# Mounts what Fluid's ThinRuntime configuration describes, with rclone.
#
# Each mount becomes an rclone remote: an http(s) mountPoint of the type http,
# any other of the rclone type in its option "type", with its other options as
# the remote's. It is seen as the directory that its path names, or else its
# name; a single mount with the path / is the root itself.
set -eu

config=${FLUID_CONFIG:-/etc/fluid/config/config.json}

fail() {
	echo "rclone-fuse: $*" >&2
	exit 1
}

[ -r "$config" ] || fail "the configuration $config is missing or not readable; is the ConfigMap of the ThinRuntime mounted there?"

# The remotes go to rclone as environment variables, which need no quoting of
# rclone's own; @sh quotes them for this shell.
variables=$(jq --raw-output '
	def nonempty: type == "string" and . != "";
	def check(ok; message): if ok then . else error(message) end;
	def var($name; $value): "export RCLONE_CONFIG_\($name)=\($value | tostring | @sh)";
	def options($i): (.options // {}) | to_entries[]
		| check(.key | test("^[A-Za-z0-9_-]+$"); "mounts[\($i)].options: invalid name \(.key)")
		| var("M\($i)_\(.key | ascii_upcase | gsub("-"; "_"))"; .value);
	def directory($i): (if (.path | nonempty) then .path else .name end)
		| check(nonempty; "mounts[\($i)]: no path and no name")
		| gsub("^/+|/+$"; "")
		| check(test("[/=\"]|^\\.\\.?$") | not; "mounts[\($i)]: the path \(.) is not the name of one directory");
	def location($i): check(nonempty; "mounts[\($i)]: no mountPoint") | if test("^https?://") then "" else sub("^[A-Za-z0-9+.-]+://"; "") end;
	def remote($i): if (.mountPoint | test("^https?://"))
			then var("M\($i)_TYPE"; "http"), var("M\($i)_URL"; .mountPoint)
			else check(.options.type | nonempty; "mounts[\($i)]: the mountPoint \(.mountPoint) is not http(s) and the option type, an rclone backend, is not set") | empty
			end,
			options($i);

	check(type == "object"; "not a JSON object")
	| check(.targetPath | nonempty; "no targetPath")
	| check((.mounts | type) == "array" and (.mounts | length) > 0; "no mounts")
	| [.mounts | to_entries[] | .key as $i | .value | {dir: directory($i), remote: "m\($i):\(.mountPoint | location($i))"}] as $dirs
	| check(($dirs | map(.dir) | unique | length) == ($dirs | length); "two mounts have the same path")
	| check(($dirs | length) == 1 or all($dirs[]; .dir != ""); "several mounts, and one of them has the path /")
	| (.mounts | to_entries[] | .key as $i | .value | remote($i)),
		if $dirs[0].dir == "" then "source=\($dirs[0].remote | @sh)"
		else var("ALL_TYPE"; "combine"), var("ALL_UPSTREAMS"; [$dirs[] | "\"\(.dir)=\(.remote)\""] | join(" ")), "source=all:"
		end,
		"target=\(.targetPath | @sh)",
		"access=\(if any(.accessModes[]?; startswith("ReadWrite")) then "" else "--read-only" end)"
' "$config") || fail "the configuration $config is not usable: see above"
eval "$variables"

# A client that was killed leaves a mount that only answers "not connected".
[ -d "$target" ] || umount -l "$target" 2>/dev/null || true
mkdir -p "$target" || fail "the directory to mount on, $target, can't be made"

# $access is one word or none.
# shellcheck disable=SC2086
exec rclone mount "$source" "$target" $access --config "" --allow-other \
	--cache-dir /var/cache/rclone --vfs-cache-mode full --dir-cache-time 30s
