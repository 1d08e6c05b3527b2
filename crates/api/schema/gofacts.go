// Command gofacts prints, as JSON, how the Go structs of the Kubernetes API write each field:
// {definition: {field: [goType, emptiness]}}, where emptiness is "zero" (left out when zero),
// "keep" (always written) or "nil" (left out only when nil). It is the second input of generate.py.
//
// Run it in a scratch module:
//
//	go mod init scratch && go get k8s.io/api@v0.36.0 k8s.io/apiextensions-apiserver@v0.36.0 \
//	  k8s.io/kube-aggregator@v0.36.0 && go run gofacts.go > gofacts.json
package main

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	apps "k8s.io/api/apps/v1"
	authentication "k8s.io/api/authentication/v1"
	authorization "k8s.io/api/authorization/v1"
	autoscaling1 "k8s.io/api/autoscaling/v1"
	autoscaling2 "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	certificates "k8s.io/api/certificates/v1"
	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	events "k8s.io/api/events/v1"
	flowcontrol "k8s.io/api/flowcontrol/v1"
	networking "k8s.io/api/networking/v1"
	node "k8s.io/api/node/v1"
	policy "k8s.io/api/policy/v1"
	rbac "k8s.io/api/rbac/v1"
	scheduling "k8s.io/api/scheduling/v1"
	storage "k8s.io/api/storage/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	aggregator "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

type named interface{ OpenAPIModelName() string }

var facts = map[string]map[string][2]string{}

func main() {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		admissionregistration.AddToScheme, apps.AddToScheme, authentication.AddToScheme, authorization.AddToScheme,
		autoscaling1.AddToScheme, autoscaling2.AddToScheme, batch.AddToScheme, certificates.AddToScheme,
		coordination.AddToScheme, core.AddToScheme, discovery.AddToScheme, events.AddToScheme, flowcontrol.AddToScheme,
		networking.AddToScheme, node.AddToScheme, policy.AddToScheme, rbac.AddToScheme, scheduling.AddToScheme,
		storage.AddToScheme, apiextensions.AddToScheme, aggregator.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	meta.AddToGroupVersion(scheme, core.SchemeGroupVersion)
	for _, goType := range scheme.AllKnownTypes() {
		visit(goType)
	}
	json.NewEncoder(os.Stdout).Encode(facts)
}

func visit(goType reflect.Type) {
	switch goType.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Array:
		visit(goType.Elem())
		return
	case reflect.Struct:
	default:
		return
	}
	value := reflect.New(goType).Interface()
	model, ok := value.(named)
	if _, writesItself := value.(json.Marshaler); !ok || writesItself {
		return
	}
	name := model.OpenAPIModelName()
	if _, seen := facts[name]; seen {
		return
	}
	fields := map[string][2]string{}
	facts[name] = fields
	collect(goType, fields)
}

func collect(goType reflect.Type, fields map[string][2]string) {
	for i := 0; i < goType.NumField(); i++ {
		field := goType.Field(i)
		parts := strings.Split(field.Tag.Get("json"), ",")
		if field.Anonymous && parts[0] == "" {
			collect(field.Type, fields)
			continue
		}
		if !field.IsExported() || parts[0] == "-" || parts[0] == "" {
			continue
		}
		omit := false
		for _, option := range parts[1:] {
			omit = omit || option == "omitempty" || option == "omitzero"
		}
		emptiness := "keep"
		if omit {
			emptiness = "zero"
			if field.Type.Kind() == reflect.Pointer || field.Type.Kind() == reflect.Struct {
				emptiness = "nil"
				if field.Type.Kind() == reflect.Struct && !strings.Contains(field.Tag.Get("json"), "omitzero") {
					emptiness = "keep"
				}
			}
		} else if field.Type.Kind() == reflect.Pointer {
			emptiness = "null"
		}
		fields[parts[0]] = [2]string{strings.TrimPrefix(field.Type.String(), "*"), emptiness}
		visit(field.Type)
	}
}
