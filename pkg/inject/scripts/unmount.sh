fluid_unmount() { while fluid_mounted; do umount -l "$fluid_path" || return; done; }
