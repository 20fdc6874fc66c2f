package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// raw sends packets for address:port that the kernel did not make: a SYN of TCP and a datagram of UDP, with sources
// that are the step's, the destination's, and the loopback's. It prints what answered.
func raw(target string) (string, error) {
	to, err := netip.ParseAddrPort(target)
	if err != nil {
		return "", err
	}
	protocol := uint16(syscall.ETH_P_IP)
	if to.Addr().Is6() {
		protocol = syscall.ETH_P_IPV6
	}
	socket, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_DGRAM, int(swap(protocol)))
	if err != nil {
		return "", fmt.Errorf("AF_PACKET: %w", err)
	}
	device, err := interfaceIndex("eth0")
	if err != nil {
		return "", err
	}
	link := &syscall.SockaddrLinklayer{Protocol: swap(protocol), Ifindex: device, Halen: 0}
	own, err := ownAddress(to.Addr().Is4())
	if err != nil {
		return "", err
	}
	loopback := netip.MustParseAddr(map[bool]string{true: "127.0.0.1", false: "::1"}[to.Addr().Is4()])
	for i, from := range []netip.Addr{own, to.Addr(), loopback} {
		source := netip.AddrPortFrom(from, uint16(40000+i))
		for _, packet := range [][]byte{tcpSYN(source, to), udpDatagram(source, to)} {
			if err := syscall.Sendto(socket, packet, 0, link); err != nil {
				return "", fmt.Errorf("send from %v: %w", from, err)
			}
		}
	}
	return answers(socket, to)
}

// answers lists what came from the address and port within a second: SYN+ACK of TCP, and datagrams.
func answers(socket int, from netip.AddrPort) (string, error) {
	var found []string
	timeout := syscall.NsecToTimeval(int64(200 * time.Millisecond))
	if err := syscall.SetsockoptTimeval(socket, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &timeout); err != nil {
		return "", err
	}
	packet := make([]byte, 65536)
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		n, sender, err := syscall.Recvfrom(socket, packet, 0)
		if err != nil {
			continue
		}
		if link, ok := sender.(*syscall.SockaddrLinklayer); ok && link.Pkttype == 4 { // our own
			continue
		}
		source, protocol, payload := parse(packet[:n])
		const syn, ack = 2, 16
		switch {
		case len(payload) < 8 || netip.AddrPortFrom(source, binary.BigEndian.Uint16(payload)) != from:
		case protocol == syscall.IPPROTO_TCP && len(payload) >= 20 && payload[13]&(syn|ack) == syn|ack:
			found = append(found, "SYN+ACK")
		case protocol == syscall.IPPROTO_UDP:
			found = append(found, "UDP "+string(payload[8:]))
		}
	}
	if found == nil {
		return "silence", nil
	}
	return "REACHED " + strings.Join(found, ", "), nil
}

func parse(packet []byte) (source netip.Addr, protocol byte, payload []byte) {
	if len(packet) >= 40 && packet[0]>>4 == 6 {
		source, _ = netip.AddrFromSlice(packet[8:24])
		return source, packet[6], packet[40:]
	}
	if size := int(packet[0]&15) * 4; len(packet) >= size && len(packet) >= 20 {
		source, _ = netip.AddrFromSlice(packet[12:16])
		return source, packet[9], packet[size:]
	}
	return source, 0, nil
}

func tcpSYN(from, to netip.AddrPort) []byte {
	segment := make([]byte, 20)
	binary.BigEndian.PutUint16(segment[0:], from.Port())
	binary.BigEndian.PutUint16(segment[2:], to.Port())
	binary.BigEndian.PutUint32(segment[4:], 1)
	segment[12], segment[13] = 5<<4, 2 // SYN
	binary.BigEndian.PutUint16(segment[14:], 64000)
	binary.BigEndian.PutUint16(segment[16:], checksum(from.Addr(), to.Addr(), syscall.IPPROTO_TCP, segment))
	return ipPacket(from.Addr(), to.Addr(), syscall.IPPROTO_TCP, segment)
}

func udpDatagram(from, to netip.AddrPort) []byte {
	datagram := append(make([]byte, 8), "probe"...)
	binary.BigEndian.PutUint16(datagram[0:], from.Port())
	binary.BigEndian.PutUint16(datagram[2:], to.Port())
	binary.BigEndian.PutUint16(datagram[4:], uint16(len(datagram)))
	binary.BigEndian.PutUint16(datagram[6:], checksum(from.Addr(), to.Addr(), syscall.IPPROTO_UDP, datagram))
	return ipPacket(from.Addr(), to.Addr(), syscall.IPPROTO_UDP, datagram)
}

func ipPacket(from, to netip.Addr, protocol byte, payload []byte) []byte {
	if to.Is6() {
		ip := make([]byte, 40)
		ip[0] = 6 << 4
		binary.BigEndian.PutUint16(ip[4:], uint16(len(payload)))
		ip[6], ip[7] = protocol, 64
		copy(ip[8:], from.AsSlice())
		copy(ip[24:], to.AsSlice())
		return append(ip, payload...)
	}
	ip := make([]byte, 20)
	ip[0] = 4<<4 | 5
	binary.BigEndian.PutUint16(ip[2:], uint16(20+len(payload)))
	ip[8], ip[9] = 64, protocol
	copy(ip[12:], from.AsSlice())
	copy(ip[16:], to.AsSlice())
	binary.BigEndian.PutUint16(ip[10:], ^sum(0, ip))
	return append(ip, payload...)
}

func checksum(from, to netip.Addr, protocol byte, payload []byte) uint16 {
	pseudo := append(from.AsSlice(), to.AsSlice()...)
	if to.Is6() {
		pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(payload)))
		pseudo = append(pseudo, 0, 0, 0, protocol)
	} else {
		pseudo = append(pseudo, 0, protocol)
		pseudo = binary.BigEndian.AppendUint16(pseudo, uint16(len(payload)))
	}
	return ^sum(sum(0, pseudo), payload)
}

func sum(begin uint16, data []byte) uint16 {
	total := uint32(begin)
	for i := 0; i < len(data); i += 2 {
		word := uint32(data[i]) << 8
		if i+1 < len(data) {
			word |= uint32(data[i+1])
		}
		total += word
	}
	for total > 0xffff {
		total = total>>16 + total&0xffff
	}
	return uint16(total)
}

func swap(v uint16) uint16 { return v<<8 | v>>8 }
