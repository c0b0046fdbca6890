package cluster

// ListChunk is how many Datasets one request lists, as kubectl does it.
const ListChunk = 500
