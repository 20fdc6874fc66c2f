package tunnel

import (
	"context"
	"errors"

	"golang.org/x/sys/windows/registry"
)

// Machine identifies the loopback of this process: that of one installation of Windows.
func Machine(context.Context) (string, error) {
	key, err := registry.OpenKey(registry.LOCAL_MACHINE, `SOFTWARE\Microsoft\Cryptography`,
		registry.QUERY_VALUE|registry.WOW64_64KEY)
	if err != nil {
		return "", err
	}
	guid, _, err := key.GetStringValue("MachineGuid")
	return hash("windows", guid), errors.Join(err, key.Close())
}
