# Tests before the push, a cache in the registry, and a secret that is in no state
resource "api" "buildkit:index:Image" {
  context       = { location = "./api" }
  buildArgs     = { VERSION = "1.4.2" }
  secretSources = { npm = { env = "NPM_TOKEN" } }
  testTargets   = ["test"]
  cacheFrom     = [{ registry = { ref = "registry.example.com/shop/api:cache" } }]
  cacheTo       = [{ registry = { ref = "registry.example.com/shop/api:cache" } }]
  tags          = ["registry.example.com/shop/api:1.4.2", "registry.example.com/shop/api:{hash}"]
}
output "image" { value = api.repoDigest }
