// The number of a workgroup when more are needed than one axis of a launch may have.
fn flat_group(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return (group.z * groups.y + group.y) * groups.x + group.x;
}
