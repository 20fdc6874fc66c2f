# The digest that a tag of somebody else has now
proxy = invoke("buildkit:index:getImage", { ref = "registry.example.com/tools/proxy:2" })
output "image" { value = proxy.repoDigest }
output "mediaType" { value = proxy.mediaType }
