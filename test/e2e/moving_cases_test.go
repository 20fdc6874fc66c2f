//go:build linux

package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// movingCases are what programs of docker-build do, and the tests which prove that this provider does it. Every input
// is in TestProgramsUseEveryInput, and in TestIgnoreChangesOnEveryInput.
var movingCases = map[string]string{
	// What the programs of its users contain.
	"the enum Platform, and the names of types": "TestMovedPrograms TestPrograms",
	"builder.name":                          "TestBuilderInAContainer TestEndpoints",
	"load, exports docker":                  "TestAnImageStaysInTheEngine TestLoadIntoTheBuilder",
	"a tag without a registry, push: false": "TestAnImageStaysInTheEngine",
	"exec, ignoreSecretsInDiffCalculation":  "TestMovedPrograms",
	"ref of an image that is only loaded":   "TestAnImageStaysInTheEngine",
	"provider host with a Docker address":   "TestOrdinaryUserWithADockerEngine TestEndpoints",
	"provider host that is empty":           "TestMovedPrograms",
	"Index":                                 "TestMoveAnIndexFromDockerBuild TestIndexOfTwoRegistries",
	"push through exports":                  "TestPushThroughExports TestPushByDigest",
	"files that the program reads":          "TestProgramReadsTheFilesOfItsImage TestMovedPrograms",
	"an image built from another image":     "TestImagesBuiltFromImages TestImagesBuiltFromFilesOfImages",
	"options behind the ref of a cache":     "TestCaches",
	"a Dockerfile at a URL":                 "TestDockerfileAtAURL TestDockerfileAtAURLWithARemoteContext",

	// Its examples and its documentation.
	"several platforms":                    "TestAnImageFromFirstUpToDestroy TestMovedPrograms",
	"a cache in a folder or a registry":    "TestCaches",
	"caches of clouds":                     "TestMovedPrograms TestProgramsUseEveryInput",
	"build arguments":                      "TestArgumentsOfBuildKit TestMovedPrograms",
	"extra hosts":                          "TestTheSameInputsAreTheSameDigest TestHostGateway",
	"an SSH mount":                         "TestSSHAgentInAStep TestMovedPrograms",
	"secrets":                              "TestSecretsAreNotLeaked TestMissingSecret",
	"labels, target, named contexts":       "TestMovedPrograms TestMoveFromDockerBuild",
	"a git repository, archive or URL":     "TestRemoteContexts TestMovedPrograms",
	"a Dockerfile in a remote context":     "TestDockerfileInARemoteContext",
	"an inline Dockerfile":                 "TestMovedPrograms TestMoveFromDockerBuild",
	"exports tar, local and oci":           "TestExports TestMissingArchiveOfAnImageThatIsNotPushed",
	"compression, annotations":             "TestExports TestTheSameInputsAreTheSameDigest",
	"pull":                                 "TestPullSeesANewBase TestPullSeesANewCommit",
	"network, noCache":                     "TestTheSameInputsAreTheSameDigest",
	"an image that nobody gets":            "TestImageThatIsNotDelivered",
	"Amazon ECR with a login":              "TestAnImageInAmazonECR TestTypeScriptWithAWS",
	"two registries with logins":           "TestTwoRegistries",
	"buildOnPreview":                       "TestUpdateDoesWhatThePreviewShowed TestMovedPrograms",
	"a change of each input":               "TestIgnoreChangesOnEveryInput TestUnrelatedInputsAreNoDifference",
	"inputs that are wrong":                "TestBadInputs TestRefusedInputsAreNamed",
	"values that a preview does not know":  "TestUnknownValuesEndToEnd TestPreviewWithAnUnknownLogin",
	"a login in the provider's registries": "TestARotatedPasswordInTheConfiguration",

	// What stood in the way: states, machines and failures.
	"the first update deletes and builds nothing": "TestMoveFromDockerBuild",
	"changed files, a lost image, a moved tag": "TestChangedFilesAreNotTakenOver TestLostImageIsNotTakenOver " +
		"TestTakingOverMovesNoTag",
	"an ordinary user, with and without Docker": "TestOrdinaryUserFromFirstUpToDestroy " +
		"TestOrdinaryUserWithADockerEngine",
	"a Docker context":                "TestOrdinaryUserWithADockerEngine TestEndpoints",
	"the builders of buildx":          "TestBuilderInAContainer TestTwoNodes TestEndpoints",
	"a preview without a builder":     "TestNoBuilderAtAll",
	"jobs in containers":              "TestPrivilegedJob TestUnprivilegedJob TestJobWithTheSocketOfItsEngine",
	"Docker in Docker":                "TestJobWithDockerInDocker TestJobWithDockerInDockerWithoutAVolume",
	"proxies of Docker":               "TestStepsHaveTheProxiesOfDocker TestABuildArgumentWinsOverTheProxyOfDocker",
	"proxies of one engine":           "TestStepsHaveTheProxiesOfTheirDockerEngine",
	"a secret whose change counts":    "TestWatchedSecret",
	"daemons with TLS, over SSH":      "TestEndpoints TestBadCertificates",
	"outputs that repeat inputs":      "TestProgramsUseEveryInput",
	"host-gateway":                    "TestHostGateway",
	"import, refresh and destroy":     "TestImport TestDestroyRemovesOnlyItsOwnTags TestRefreshKeepsTheStateOnErrors",
	"a registry with plain HTTP":      "TestPlainHTTPWithInsecure",
	"a private certificate authority": "TestPrivateCertificateAuthority",
}

var testFunction = regexp.MustCompile(`(?m)^func (Test\w+)\(`)

// Each case names tests that exist.
func TestMovingCasesNameTests(t *testing.T) {
	t.Parallel()
	existing := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			if err == nil && entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && len(entry.Name()) > 2 {
				return filepath.SkipDir
			}
			return err
		}
		text, err := os.ReadFile(path)
		for _, match := range testFunction.FindAllSubmatch(text, -1) {
			existing[string(match[1])] = true
		}
		return err
	})
	must(t, err)
	for name, tests := range movingCases {
		for test := range strings.FieldsSeq(tests) {
			if !existing[test] {
				t.Errorf("%s: there is no %s", name, test)
			}
		}
	}
}
