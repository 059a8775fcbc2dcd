#pragma once
// The bodies of core/loop.h that a device has, from the lists that stand beside them.

#define WEFT_LOOPS(X)
#define WEFT_TEAM_LOOPS(X)
