# The controller and the node plugin as an image for your registry: docker build -t REGISTRY/kubectl-fluid/controller .
# make push IMAGE=REGISTRY/kubectl-fluid/controller:TAG does the same without a container engine.
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
ARG VERSION=v0.0.0-dev TARGETOS TARGETARCH
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY api ./api
COPY cmd ./cmd
COPY pkg ./pkg
RUN CGO_ENABLED=0 GOOS=${TARGETOS} GOARCH=${TARGETARCH} go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/ ./cmd/controller ./cmd/node ./cmd/fluid-fuse

FROM scratch
COPY LICENSE /LICENSE
COPY --from=build /out/ /
USER 65532:65532
ENTRYPOINT ["/controller"]
